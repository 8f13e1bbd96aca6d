CREATE TABLE people (
    email text PRIMARY KEY,
    name text,
    about text,
    phone text,
    born date,
    badge text,
    grade integer
);
CREATE TABLE courses (id integer PRIMARY KEY, title text);
CREATE TABLE enrolments (
    student integer,
    course integer REFERENCES courses,
    grade numeric CHECK (grade >= 0),
    PRIMARY KEY (student, course)
);
CREATE TABLE ticks (id integer PRIMARY KEY, n integer);
CREATE TABLE bulk (id integer PRIMARY KEY, payload text);

-- Every change that takes effect, in order.
CREATE TABLE heard (seq bigserial PRIMARY KEY, id integer, n integer);
CREATE FUNCTION hear() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO heard (id, n) VALUES (NEW.id, NEW.n); RETURN NULL; END $$;
CREATE TRIGGER hear_insert AFTER INSERT ON ticks FOR EACH ROW EXECUTE FUNCTION hear();
-- A copy that a crash cut short is made again, with the same values.
CREATE TRIGGER hear_update AFTER UPDATE ON ticks FOR EACH ROW
WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION hear();
