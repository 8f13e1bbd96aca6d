-- Roles belong to the server, not to one database.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'university') THEN
        CREATE ROLE university NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'syncline') THEN
        CREATE ROLE syncline LOGIN REPLICATION IN ROLE university;
    END IF;
END $$;
