"""The sample patient: an ordinary web shop that grew for years and knows of nobody who may take it apart."""
