import { Migrator } from '@mikro-orm/migrations';
import { MikroORM, type EntityManager, type EntityName, type MigrationObject, type Options } from '@mikro-orm/postgresql';
import pg from 'pg';
import { DatabaseUnavailableError } from '../errors.ts';
import { withoutPassword } from '../log.ts';
import { takeBackBroken } from './broken-connections.ts';
import { checkSchema, MIGRATION_TABLE } from './check-schema.ts';
import { clientOptions, type DatabaseAddress } from './address.ts';
import { coreEntities } from './entities.ts';
import { KEEP_ALIVE_MS, openHot, type Hot } from './hot.ts';
import { coreMigrations } from './migrations/index.ts';

export type { DatabaseAddress };

/** What a set of runners adds to the schema. */
export interface SchemaParts {
  entities?: readonly EntityName<object>[];
  /** Run after ours, in this order; names must be unique and never change. */
  migrations?: readonly MigrationObject[];
}

/** An open database. */
export interface Database {
  readonly orm: MikroORM;
  readonly address: DatabaseAddress;
  /** For the engine's own statements: prepared once, never longer than half a minute. */
  readonly hot: Hot;
  /** A new EntityManager with an identity map of its own. */
  em(): EntityManager;
  /** A connection of its own, outside the pool, for LISTEN. The caller ends it. */
  connect(applicationName: string): Promise<pg.Client>;
  close(): Promise<void>;
}

/** The oldest PostgreSQL that we run on. */
const OLDEST_MAJOR = 15;
// Any fixed number: everybody who migrates takes this lock first.
const MIGRATION_LOCK = 7_216_001;

/**
 * Opens a database and brings its schema up to date. Any number of processes may do so at once.
 *
 * @param poolSize connections at most
 * @param options.mustExist refuse a database that has no tables of ours, and leave it as it is
 * @throws {DatabaseUnavailableError} nobody answers at the address, the login is refused, or PostgreSQL is older than 15
 * @throws {SchemaNewerError} a newer Afterglow made the schema; nothing was written
 * @throws {RefusedError} there are no tables of ours, and there must be
 */
export async function openDatabase(address: DatabaseAddress, parts: SchemaParts = {}, poolSize = 10, options: { mustExist?: boolean } = {}): Promise<Database> {
  await assertUsable(address);
  const orm = await MikroORM.init({
    // +1: the migration lock holds one while the migrator takes another.
    ...ormOptions(address, parts, poolSize + 1),
    extensions: [Migrator],
    migrations: { migrationsList: [...coreMigrations, ...(parts.migrations ?? [])], snapshot: false, tableName: MIGRATION_TABLE },
  });
  try {
    await orm.em.fork().transactional(async (em) => {
      await em.execute(`select pg_advisory_xact_lock(${MIGRATION_LOCK})`);
      await checkSchema(em, options.mustExist === true);
      await orm.migrator.up();
    });
  } catch (error) {
    await orm.close(true);
    throw error;
  }
  const hot = openHot(clientOptions(address));
  return {
    orm,
    address,
    hot,
    em: () => orm.em.fork(),
    connect: (applicationName) => connect(address, applicationName),
    async close() {
      await hot.close();
      await orm.close(true);
    },
  };
}

/**
 * The ORM on a database that somebody else has opened and brought up to date. Nothing is connected before it is used.
 *
 * @param poolSize connections at most
 */
export function attachDatabase(address: DatabaseAddress, parts: SchemaParts, poolSize: number): MikroORM {
  return new MikroORM(ormOptions(address, parts, poolSize));
}

function ormOptions(address: DatabaseAddress, parts: SchemaParts, poolSize: number): Options {
  return {
    dbName: databaseName(address),
    entities: [...coreEntities, ...(parts.entities ?? [])],
    pool: { min: 0, max: poolSize },
    driverOptions: { ...clientOptions(address), application_name: 'afterglow', keepAlive: true, keepAliveInitialDelayMillis: KEEP_ALIVE_MS, onPoolCreated: takeBackBroken },
    discovery: { warnWhenNoEntities: false },
    logger: () => {},
  };
}

async function connect(address: DatabaseAddress, applicationName: string): Promise<pg.Client> {
  const client = new pg.Client({
    ...clientOptions(address),
    application_name: applicationName,
    connectionTimeoutMillis: 10_000,
    query_timeout: 35_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  });
  await client.connect();
  return client;
}

function databaseName(address: DatabaseAddress): string {
  return new pg.Client(clientOptions(address)).database ?? 'postgres';
}

async function assertUsable(address: DatabaseAddress): Promise<void> {
  const where = 'url' in address ? withoutPassword(address.url) : `${address.host} (embedded)`;
  let client: pg.Client;
  try {
    client = await connect(address, 'afterglow');
  } catch (error) {
    throw new DatabaseUnavailableError(
      `No database answers at ${where}: ${(error as Error).message}. Start it, or correct DATABASE_URL, or unset it to use the embedded PostgreSQL.`,
      { cause: error },
    );
  }
  try {
    const { rows } = await client.query<{ version: number }>(`select current_setting('server_version_num')::int / 10000 as version`);
    const version = rows[0]?.version ?? 0;
    if (version < OLDEST_MAJOR) {
      throw new DatabaseUnavailableError(`PostgreSQL ${OLDEST_MAJOR} or newer is needed, ${where} is ${version}.`);
    }
  } finally {
    await client.end();
  }
}
