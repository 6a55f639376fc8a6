-- The application writes by functions only. Releases before 0006 write the tables themselves.
REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON ALL TABLES IN SCHEMA public FROM modelwright_application;
