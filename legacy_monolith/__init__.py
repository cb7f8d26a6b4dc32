"""The sample patient: an ordinary web shop that grew for years and knows nothing of whoever may take it apart."""
