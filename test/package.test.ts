import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { serveRegistry } from "./package/registry.ts";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");
const tsc = join(root, "node_modules/typescript/bin/tsc");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
let app = "";

before(async () => {
  app = await mkdtemp(join(tmpdir(), "drv-thru-package-"));
  await run("npm", ["pack", "--pack-destination", app], { cwd: root });
  const [tarball = ""] = readdirSync(app).filter(name => name.endsWith(".tgz"));
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "module" }));
  await using registry = await serveRegistry(root);
  const own = [
    "--registry",
    registry.url,
    "--cache",
    join(app, "cache"),
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
  ];
  await run("npm", ["install", ...own, `./${tarball}`, "@types/node"], { cwd: app });
});

after(() => rm(app, { recursive: true }));

/** The files of the package's own program that a command loads, and the packages beside it. */
async function loadedBy(...words: string[]): Promise<{ sources: string[]; packages: string[] }> {
  const hooks = join(app, "loaded.mjs");
  const program = `
    import { appendFileSync } from "node:fs";
    import { registerHooks } from "node:module";
    const load = (url, context, next) => {
      if (url.startsWith("file:")) appendFileSync(process.env.LOADED_FILE, url + "\\n");
      return next(url, context);
    };
    registerHooks({ load });`;
  writeFileSync(hooks, program);
  const env = { PATH: app, HOME: app, LOADED_FILE: join(app, `loaded-${words.join("")}`) };
  const command = ["--import", hooks, join(app, "node_modules/drv-thru/dist/bin.js"), ...words];
  // That there is no Nix and no builder here is what some of them say; by then all is loaded.
  await run(process.execPath, command, { cwd: app, env }).catch(error => assert.match(error.stderr, /^error: /));
  const files = readFileSync(env.LOADED_FILE, "utf8")
    .trimEnd()
    .split("\n")
    .map(url => fileURLToPath(url));
  const own = files.filter(file => file.includes("/drv-thru/dist/"));
  const sources = own.flatMap(file =>
    [...readFileSync(file, "utf8").matchAll(/^\/\/ (src\/.*)$/gm)].map(([, name = ""]) => name),
  );
  return { sources, packages: files.filter(file => file !== hooks && !own.includes(file)) };
}

/** Runs a program of the application on this very Node. */
function node(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(process.execPath, args, { cwd: app });
}

test("somebody who installed the package runs the command", async () => {
  const { stdout } = await node("node_modules/.bin/drv-thru", "--version");
  assert.match(stdout, new RegExp(`^drv-thru ${RegExp.escape(version)}\n@number0/iroh \\d`));
});

test("a command loads neither the builder nor its database unless it is the builder", async () => {
  const expected = {
    "--help": /^src\/cli\/help/,
    status: /^src\/client\/connect\.ts/,
    build: /^src\/client\/run\/run\.ts/,
  };
  for (const [word, needed] of Object.entries(expected)) {
    const { sources, packages } = await loadedBy(word);
    assert.ok(
      sources.some(name => needed.test(name)),
      `${word}: ${sources.join(" ")}`,
    );
    assert.deepEqual(
      sources.filter(name => /^src\/(server|state|helper)\//.test(name)),
      [],
      word,
    );
    assert.deepEqual(packages, [], word);
  }
  assert.ok((await loadedBy("serve", "--bind", "nowhere")).sources.includes("src/server/serve.ts"));
});

test("a build loads neither clipanion nor what a builder needs before Nix has evaluated", async () => {
  const { sources } = await loadedBy("build", "--no-link", "nixpkgs#hello");
  assert.ok(sources.includes("src/client/run/run.ts"), sources.join(" "));
  for (const name of ["src/cli/command-line.ts", "src/client/run/with-builder.ts"]) assert.ok(!sources.includes(name));
});

test("a command that asks a builder does not load Node's own fetch", async t => {
  const [data, hooks, loaded] = [join(app, "data"), join(app, "fetch.mjs"), join(app, "fetch.json")];
  const program = `
    import { writeFileSync } from "node:fs";
    process.on("exit", () => writeFileSync(${JSON.stringify(loaded)}, JSON.stringify(process.moduleLoadList)));`;
  writeFileSync(hooks, program);
  // What stands for a builder hangs up: by then the question was put into Connect's words.
  const builder = createServer(socket => socket.once("data", () => socket.destroy()).on("error", () => undefined));
  mkdirSync(data);
  await once(builder.listen(join(data, "builder.sock")), "listening");
  t.after(() => void builder.close());
  const asking = node("--import", hooks, "node_modules/drv-thru/dist/bin.js", "status", "--data-dir", data);
  await assert.rejects(asking, /\nerror: /);
  const modules: string[] = JSON.parse(readFileSync(loaded, "utf8"));
  assert.ok(modules.includes("NativeModule net"), modules.join(", "));
  assert.deepEqual(
    modules.filter(name => /undici/.test(name)),
    [],
  );
});

test("somebody with an older Node is told so, and how to get a newer one", async t => {
  const old = await olderNode();
  if (old === undefined) return t.skip("there is no Node older than 24 here");
  const command = [join(app, "node_modules/.bin/drv-thru"), "build", "nixpkgs#hello"];
  await assert.rejects(run(old.path, command), (error: unknown) => {
    assert.ok(error instanceof Error && "stderr" in error && "code" in error && "stdout" in error);
    const [first, empty, fix] = String(error.stderr).split("\n");
    assert.equal(first, `error: drv-thru needs Node 24 or newer, this is ${old.version}`);
    assert.equal(empty, "");
    assert.match(fix ?? "", /^ {2}nix .*nodejs_24$/);
    assert.deepEqual([error.code, error.stdout], [1, ""]);
    return true;
  });
});

test("a program imports the library", async () => {
  const program = 'import { Failure, connect } from "drv-thru";\nconsole.log(typeof connect, Failure.name);\n';
  writeFileSync(join(app, "three-lines.js"), program);
  assert.equal((await node("three-lines.js")).stdout, "function Failure\n");
});

test("a program brings a service of its own over Iroh", async () => {
  installExample();
  const program = `
    import { serveOverIroh } from "drv-thru/transport";
    const server = await serveOverIroh(() => {}, { alpn: "mine/1", relay: "none", bind: ["127.0.0.1:0"] });
    console.log(server.address().addresses.length > 0);
    await server.close();`;
  writeFileSync(join(app, "serve.js"), program);
  assert.equal((await node("serve.js")).stdout, "true\n");
});

test("TypeScript knows the types of both entries", async () => {
  installExample();
  writeFileSync(
    join(app, "typed.ts"),
    'import { type ConnectOptions, connect } from "drv-thru";\n' +
      "export const works: (options: ConnectOptions) => Promise<unknown> = connect;\n" +
      "// @ts-expect-error: a port is no target\nvoid connect({ target: 4433 });\n",
  );
  const strict = [
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--target",
    "es2024",
    "--module",
    "nodenext",
    "--types",
    "node",
  ];
  const extensions = ["--allowImportingTsExtensions", "--lib", "es2024,esnext.disposable,esnext.iterator"];
  await node(tsc, ...strict, ...extensions, "typed.ts", "greeter/server.ts", "greeter/client.ts").catch(error => {
    assert.fail(String(error.stdout));
  });
});

test("nothing is published but what runs, its types and its words", () => {
  const published = join(app, "node_modules/drv-thru");
  const names = readdirSync(published).sort();
  for (const name of names) {
    assert.match(name, /^(dist|gen|proto|contrib|package\.json|README\.md|CHANGELOG\.md|LICENSE-(MIT|APACHE))$/);
  }
  assert.ok(existsSync(join(published, "dist/bin.js")));
  assert.ok(existsSync(join(published, "contrib/systemd/drv-thru.service")));
  const typescript = readdirSync(published, { recursive: true, encoding: "utf8" }).filter(
    name => !name.startsWith("node_modules") && /(?<!\.d)\.ts$/.test(name),
  );
  assert.deepEqual(typescript, []);
});

/** The greeter of the examples as a program of the application: from the package's entry instead of the checkout's file. */
function installExample(): void {
  cpSync(join(root, "examples/greeter"), join(app, "greeter"), { recursive: true });
  for (const name of ["server.ts", "client.ts"]) {
    const file = join(app, "greeter", name);
    writeFileSync(file, readFileSync(file, "utf8").replace('"../../src/connect-iroh.ts"', '"drv-thru/transport"'));
  }
}

/** A Node of the system that is too old. */
async function olderNode(): Promise<{ path: string; version: string } | undefined> {
  for (const path of ["/usr/bin/node", "/usr/local/bin/node"]) {
    if (!existsSync(path)) continue;
    const { stdout } = await run(path, ["--version"]);
    if (Number(/^v(\d+)/.exec(stdout)?.[1]) < 24) return { path, version: stdout.trim() };
  }
  return undefined;
}
