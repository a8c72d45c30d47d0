import { z } from 'zod';

/** What every archive begins with; its name in the archive. */
export const MANIFEST = 'afterglow.json';
/** The format of archives. One with another number is not read. */
export const FORMAT = 1;

const content = z.strictObject({ entry: z.string(), bytes: z.int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** What an archive says of itself. Unknown fields are refused: a newer Afterglow would have said a newer format. */
export const manifestSchema = z.strictObject({
  format: z.literal(FORMAT),
  /** Who made it. */
  afterglow: z.string(),
  madeAt: z.iso.datetime(),
  /** Names of the migrations of the database that it comes from, oldest first. */
  migrations: z.array(z.string()),
  objects: z.array(z.strictObject({
    kind: z.string().min(1).max(100),
    name: z.string().min(1).max(64),
    /** Its rows, one a line. */
    rows: content,
    /** Its files, by their paths in its folder. */
    files: z.array(content.extend({ path: z.string().min(1).max(1000) })),
  })).min(1),
});

export type Manifest = z.output<typeof manifestSchema>;
export type ManifestObject = Manifest['objects'][number];

/** One row of an object. `row` holds its columns as PostgreSQL's `to_jsonb` writes them; what is a number of this database alone stands beside it as a name. */
export const lineSchema = z.strictObject({
  table: z.string(),
  row: z.record(z.string(), z.unknown()),
  /** The value of a key that the database made. */
  key: z.string().nullable().optional(),
  /** Of references inside of the object: column → value. */
  inside: z.record(z.string(), z.string().nullable()).optional(),
  /** Of references to other rows: column → the columns by which they are known. */
  outside: z.record(z.string(), z.record(z.string(), z.unknown()).nullable()).optional(),
  /** In the engine's tables. */
  task: z.string().optional(),
  status: z.string().nullable().optional(),
  from: z.string().optional(),
});

export type Line = z.output<typeof lineSchema>;
