/** How the database is opened, beside its path. A value, because lmdb's types have forgotten the mode of its files. */
export const DATABASE = { noSubdir: false, maxDbs: 16, permissionsMode: 0o600 };
