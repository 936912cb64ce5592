import assert from "node:assert/strict";
import { chmod, mkdtemp, rename, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { encode } from "../../../src/nix/daemon/encode.ts";
import { daemonSocket, openDaemon, ownStoreOf } from "../../../src/nix/daemon/open.ts";
import { Magic, minorVersion } from "../../../src/nix/daemon/protocol.ts";
import { failure } from "../../contract/store/tools.ts";
import { reply } from "./scripted.ts";

test("the socket is found as Nix finds it", () => {
  assert.equal(daemonSocket({}), "/nix/var/nix/daemon-socket/socket");
  assert.equal(daemonSocket({ NIX_STATE_DIR: "/state" }), "/state/daemon-socket/socket");
  assert.equal(daemonSocket({ NIX_STATE_DIR: "/state", NIX_DAEMON_SOCKET_PATH: "/run/s" }), "/run/s");
  assert.equal(daemonSocket({ NIX_REMOTE: "unix:///run/t?x=1", NIX_DAEMON_SOCKET_PATH: "/run/s" }), "/run/t");
  assert.equal(daemonSocket({ NIX_REMOTE: "daemon", NIX_DAEMON_SOCKET_PATH: "/run/s" }), "/run/s");
  assert.equal(daemonSocket({ NIX_STATE_DIR: "", NIX_DAEMON_SOCKET_PATH: "" }), "/nix/var/nix/daemon-socket/socket");
});

test("a socket that is not there is named, with how to start the daemon", async () => {
  const unreachable = failure({
    code: "unreachable",
    who: "nix",
    reason: "daemon-unreachable",
    message: /\/no\/socket/,
  });
  await assert.rejects(openDaemon({ socketPath: "/no/socket" }), error => {
    assert.match((error as { fix: string }).fix, /nix-daemon/);
    return unreachable(error);
  });
  await assert.rejects(openDaemon({ env: { NIX_DAEMON_SOCKET_PATH: "/no/socket" } }), unreachable);
});

test("a socket path that is too long is refused with its length", async () => {
  await assert.rejects(openDaemon({ socketPath: `/tmp/${"x".repeat(150)}` }), failure({ message: /155 bytes/ }));
});

test("a socket where nobody listens any more is told from one that is not there", async () => {
  await withFolder(async folder => {
    const socketPath = join(folder, "socket");
    const server = await listen(socketPath, () => {});
    // A server that ends removes its socket; one that was moved stays, as after a daemon that died.

    await rename(socketPath, `${socketPath}.old`);
    await closeServer(server);
    await assert.rejects(
      openDaemon({ socketPath: `${socketPath}.old` }),
      failure({ message: /nobody|no Nix daemon listens/ }),
    );
  });
});

test("a socket that this user may not open is named", { skip: process.getuid?.() !== 0 && "needs root" }, async () => {
  await withFolder(async folder => {
    const socketPath = join(folder, "socket");
    const server = await listen(socketPath, () => {});
    await chmod(folder, 0o755);
    await chmod(socketPath, 0o600);
    process.seteuid?.(65534);
    try {
      await assert.rejects(openDaemon({ socketPath }), failure({ code: "not-permitted", message: /no permission/ }));
    } finally {
      process.seteuid?.(0);
      await closeServer(server);
    }
  });
});

test("a daemon that hangs up at once has refused the user", async () => {
  await withDaemon(
    socket => socket.destroy(),
    async socketPath => {
      await assert.rejects(openDaemon({ socketPath }), failure({ code: "not-permitted", message: /allowed-users/ }));
    },
  );
});

test("waiting for a silent daemon ends when it is cancelled", async () => {
  await withDaemon(
    () => {},
    async socketPath => {
      const controller = new AbortController();
      const opening = openDaemon({ socketPath, signal: controller.signal });
      setTimeout(() => controller.abort(), 20);
      await assert.rejects(opening, failure({ code: "cancelled" }));
      await assert.rejects(openDaemon({ socketPath, signal: controller.signal }), failure({ code: "cancelled" }));
    },
  );
});

test("cancelling after the daemon has greeted changes nothing", async () => {
  await withDaemon(
    socket => socket.write(Buffer.concat([encode(Magic.daemon, minorVersion(35), "2.18.1", 1), reply(), reply([])])),
    async socketPath => {
      const controller = new AbortController();
      const store = await openDaemon({ socketPath, signal: controller.signal });
      controller.abort();
      assert.equal(store.trust, "trusted");
      assert.equal(store.nixVersion, "2.18.1");
      assert.deepEqual(await store.validPaths([]), new Set());
      store.close();
    },
  );
});

test("closing while a question waits ends it", async () => {
  await withDaemon(
    socket => socket.write(Buffer.concat([encode(Magic.daemon, minorVersion(34), "2.8.0"), reply()])),
    async socketPath => {
      const store = await openDaemon({ socketPath });
      const asked = store.validPaths([]);
      setTimeout(() => store.close(), 20);
      await assert.rejects(asked, failure({ who: "nix", code: "cancelled", reason: "connection-lost" }));
    },
  );
});

async function withDaemon(greet: (socket: Socket) => void, body: (socketPath: string) => Promise<void>): Promise<void> {
  await withFolder(async folder => {
    const socketPath = join(folder, "socket");
    const server = await listen(socketPath, greet);
    try {
      await body(socketPath);
    } finally {
      await closeServer(server);
    }
  });
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "drv-thru-open-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const sockets = new WeakMap<Server, Set<Socket>>();

async function listen(path: string, greet: (socket: Socket) => void): Promise<Server> {
  const open = new Set<Socket>();
  const server = createServer(socket => {
    open.add(socket);
    socket.on("error", () => {}); // the client hangs up as it likes
    greet(socket);
  });
  sockets.set(server, open);
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(path, () => listening.resolve());
  await listening.promise;
  return server;
}

async function closeServer(server: Server): Promise<void> {
  const closed = Promise.withResolvers<void>();
  server.close(() => closed.resolve());
  for (const socket of sockets.get(server) ?? []) socket.destroy();
  await closed.promise;
}

test("NIX_REMOTE as a folder or local is a store of one's own, as for Nix", () => {
  const own = (remote: string | undefined) => ownStoreOf({ NIX_REMOTE: remote });
  for (const machine of [undefined, "", "auto", "daemon", "unix:///run/nix.sock"])
    assert.equal(own(machine), undefined);
  for (const store of ["local", "local?root=/srv/store", "/srv/store"]) assert.equal(own(store), store);
  assert.equal(own("./mine"), join(process.cwd(), "mine"));
});

test("NIX_REMOTE that names another machine's store is refused with what to set", () => {
  for (const remote of ["ssh-ng://host", "https://cache.example.org", "mine"]) {
    assert.throws(() => ownStoreOf({ NIX_REMOTE: remote }), {
      code: "usage",
      reason: "nix-remote",
      fix: /NIX_REMOTE=daemon/,
    });
  }
});
