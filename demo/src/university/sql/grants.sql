-- What the role `syncline` needs, and no more: it is no superuser.
-- Owning the tables (by membership) lets it publish them; CREATE lets it keep its own schema.
DO $$
DECLARE
    table_name text;
BEGIN
    EXECUTE format('GRANT CREATE, CONNECT, TEMPORARY ON DATABASE %I TO syncline', current_database());
    FOR table_name IN SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'
    LOOP
        EXECUTE 'ALTER TABLE ' || table_name || ' OWNER TO university';
    END LOOP;
END $$;
GRANT USAGE, CREATE ON SCHEMA public TO university;
GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text) TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_drop(text) TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_oid(text) TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_session_setup(text) TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_session_reset() TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_session_is_setup() TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_session_progress(boolean) TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_xact_setup(pg_lsn, timestamptz) TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_xact_reset() TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_advance(text, pg_lsn) TO syncline;
GRANT EXECUTE ON FUNCTION pg_replication_origin_progress(text, boolean) TO syncline;
