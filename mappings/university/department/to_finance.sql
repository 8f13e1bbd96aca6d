INSERT INTO finance.public.cost_centres (code, name, budget, currency)
SELECT code, name || ' (' || faculty || ')', coalesce(budget, 0), 'EUR'
FROM department
WHERE name IS NOT NULL AND faculty IS NOT NULL;
