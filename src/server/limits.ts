import { availableParallelism } from "node:os";

/** Every bound and wait of the services, in one place. Times are milliseconds, sizes bytes. Tests shorten them. */
export interface ServerLimits {
  /** Most builds with a slot. */
  readonly maxConcurrentBuilds: number;
  /** Most builds that have not ended, of everybody. */
  readonly maxOpenBuilds: number;
  /** Most builds of one ticket or trusted client that have not ended. */
  readonly maxOpenBuildsOfCredential: number;
  /** Most builds of one owner that have not ended. */
  readonly maxOpenBuildsOfOwner: number;
  /** Ended builds that are kept. */
  readonly keepBuilds: number;
  /** Ended builds that the status tells. */
  readonly recentBuilds: number;
  /** Time that a build lives without a connection: a reservation is given back, a started build is cancelled. */
  readonly graceTime: number;
  /** Bytes of one build's event file; beyond it log lines are dropped. */
  readonly maxEventBytes: number;
  /** What a build says within this time reaches its watchers together. */
  readonly gatherTime: number;
  /** A daemon connection for queries or downloads waits so long for its next use. */
  readonly idleStoreTime: number;
  /** An empty message goes to a quiet watcher after this time. */
  readonly keepAlive: number;
  /** Most Put streams of one build. */
  readonly maxPutStreams: number;
  /** Most daemon connections for uploads, of everybody and of one owner. */
  readonly maxPutStores: number;
  readonly maxPutStoresOfOwner: number;
  /** Most calls of Fetch, of everybody and of one owner: each may hold a file open. */
  readonly maxFetchCalls: number;
  readonly maxFetchCallsOfOwner: number;
  /** Most paths that fill the output cache at once, each over a daemon connection. */
  readonly maxCacheFills: number;
  /** A path that waits so long for its fill goes past the cache. */
  readonly cachePatience: number;
  /** Small paths are put on the disk of the output cache when for this time no more of them came. */
  readonly cacheQuietTime: number;
  /** Most bytes of archives in the output cache, or `undefined` for no limit. */
  readonly maxCacheBytes: number | undefined;
  /** Most daemon connections for downloads past the cache, of everybody and of one owner. */
  readonly maxFetchStores: number;
  readonly maxFetchStoresOfOwner: number;
  /** Most daemon connections for the builder's own questions: nobody outside can make one wait. */
  readonly maxQueryStores: number;
  /** Most paths that one build names. */
  readonly maxNamedPaths: number;
  /** Most paths that all builds name together. */
  readonly maxNamedPathsOfAll: number;
  /** What builds that never begin may send in a day where uses are not counted, in uploads of full size. */
  readonly maxGivenBackUploads: number;
  /** The end of a build that could not be kept waits so long for the next attempt. */
  readonly keepAgainTime: number;
  /** An upload that brings no byte for this time is dropped. */
  readonly stallTime: number;
  /** An upload that brought no byte for this time is dropped when another build wants its path. */
  readonly contestedStallTime: number;
  /** What the daemon needs to end a build's processes after its connection is closed. */
  readonly daemonCancelTime: number;
}

/** What a builder runs with where its configuration says nothing else. */
export const DEFAULT_LIMITS: ServerLimits = {
  maxConcurrentBuilds: 1,
  maxOpenBuilds: 256,
  maxOpenBuildsOfCredential: 128,
  maxOpenBuildsOfOwner: 64,
  keepBuilds: 100,
  recentBuilds: 20,
  graceTime: 60_000,
  maxEventBytes: 64 * 1024 * 1024,
  gatherTime: 50,
  idleStoreTime: 1_000,
  keepAlive: 10_000,
  maxPutStreams: 4,
  maxPutStores: 32,
  maxPutStoresOfOwner: 8,
  maxFetchCalls: 1_024,
  maxFetchCallsOfOwner: 128,
  maxCacheFills: Math.max(1, Math.min(availableParallelism(), 16)),
  cachePatience: 60_000,
  cacheQuietTime: 250,
  maxCacheBytes: 20 * 1024 ** 3,
  maxFetchStores: 64,
  maxFetchStoresOfOwner: 16,
  maxQueryStores: 16,
  maxNamedPaths: 250_000,
  maxNamedPathsOfAll: 1_000_000,
  maxGivenBackUploads: 4,
  keepAgainTime: 5_000,
  stallTime: 30_000,
  contestedStallTime: 3_000,
  daemonCancelTime: 100,
};
