-- One database for each owner of data, as they would be on different servers.
CREATE DATABASE unleash;
CREATE DATABASE shop;
CREATE DATABASE catalog;
CREATE DATABASE orders;
CREATE DATABASE ledger;
CREATE DATABASE evidence;
