-- One database for each owner of data, as they would be on different servers.
CREATE DATABASE unleash;
CREATE DATABASE shop;
CREATE DATABASE catalog;
CREATE DATABASE orders;
CREATE DATABASE ledger;
CREATE DATABASE evidence;

-- The samples are a role of their own, which owns nothing and may only change rows: whoever owns a table could switch
-- its fence off.
CREATE ROLE app LOGIN PASSWORD 'app';
\connect shop
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO app;
\connect catalog
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO app;
\connect orders
ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO app;
