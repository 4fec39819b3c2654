"""All SQL: one file per noun, the engine, the tables, the walls and the embedded PostgreSQL; it decides nothing."""
