"""One folder per database engine, each a `ports.SideDatabase`; drivers' errors are mapped at this border."""
