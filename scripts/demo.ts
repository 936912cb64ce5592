// `npm run demo`: a real build by ticket, from one Nix host into another, both on this machine. The commands are shown as they run, with what they print.
import { busybox, ownUids, whyNoHosts } from "../test/hosts/can.ts";
import { type Hosts, makeHosts } from "../test/hosts/hosts.ts";
import { bringTower } from "../test/hosts/tower.ts";
import { background, Interrupted, interrupted, run, type Shell, tell } from "./demo/show.ts";

const started = performance.now();
const why = whyNoHosts();
if (why) {
  console.error(`error: this machine cannot hold two Nix hosts: ${why}`);
  process.exit(1);
}

const ending = interrupted();
const making = makeHosts({ builder: { sandbox: busybox() !== undefined } });
let wrong: unknown;
try {
  await Promise.race([ending, making.then(show)]);
} catch (error) {
  wrong = error;
}
if (wrong instanceof Interrupted) tell(`${wrong.message}: stopping`);
const made = await making.catch(() => undefined);
await made?.stop();
if (wrong === undefined) {
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  tell(`That took ${seconds} seconds. Both hosts are gone again, with all their processes, mounts and files.`);
} else if (!(wrong instanceof Interrupted)) console.error(wrong);
// What was under way on the hosts has nobody to report to any more.
process.exit(wrong === undefined ? 0 : wrong instanceof Interrupted ? 130 : 1);

async function show(hosts: Hosts): Promise<void> {
  const builder: Shell = { host: hosts.builder, prompt: `${hosts.builder.user}@builder` };
  const laptop: Shell = { host: hosts.client, prompt: `${hosts.client.user}@laptop` };
  tell(whatIsShown(hosts));

  tell("== One machine becomes a builder.");
  const serve = background(builder, "drv-thru serve --relay none");
  await serve.until(/drv-thru ticket create/);

  tell("== Its owner makes a ticket for one build, and sends it to somebody.");
  const ticket = (await run(builder, "drv-thru ticket create --name demo")).stdout.trim();

  tell(
    "== Whoever got it reads whose signatures it stands for, and lets this machine's Nix trust them. Until then nothing comes in.",
  );
  const { stdout } = await run(laptop, `drv-thru ticket inspect ${ticket}`);
  const key = /\S+:[A-Za-z0-9+/]{43}=/.exec(stdout)?.[0] ?? "";
  await hosts.client.configure({ "trusted-public-keys": key });
  await run({ ...laptop, user: "root", prompt: "root@laptop" }, "grep trusted /etc/nix/nix.conf");

  const tower = {
    ...laptop,
    cwd: await bringTower(hosts.client, hosts.builder.sandboxed),
    prompt: `${laptop.prompt}:~/hello-tower`,
  };
  tell("== Five derivations, built on the builder and imported here, signed.");
  await run(tower, "ls");
  await run(tower, `drv-thru build .^out,plan -L --ticket ${ticket}`);

  tell("== It is here: valid, signed by the builder's key, unharmed.");
  await run(tower, "cat result/tower.txt result-plan/floors.txt");
  const { stdout: info } = await run(tower, "nix path-info --sigs ./result");
  if (!info.includes(key.split(":")[0] ?? "no key")) throw new Error(`not signed by ${key}`);
  await run(tower, "nix store verify --recursive --sigs-needed 1 ./result ./result-plan && echo verified");

  tell("== The ticket is spent.");
  const { stdout: list } = await run(builder, "drv-thru ticket list");
  if (!list.includes("exhausted")) throw new Error("the ticket is not exhausted");
  await run(tower, `drv-thru build -f default.nix --argstr motto "one more" --ticket ${ticket}`, 4);

  tell("== The builder stops.");
  await serve.signal("SIGINT");
  await serve.ended;
}

function whatIsShown({ builder }: Hosts): string {
  const users = ownUids
    ? "drv-thru runs as ordinary users on both, whom Nix does not trust"
    : "everything is one user, as only root could make more; Nix trusts none";
  const sandbox = builder.sandboxed ? "the builder builds in a sandbox" : `the builder has no sandbox: ${noSandbox()}`;
  return `Two Nix hosts on this machine, each with a store, a daemon and homes of its own: ${users}; ${sandbox}.`;
}

function noSandbox(): string {
  return ownUids
    ? "that needs a static busybox (Debian: busybox-static)"
    : "an ordinary user's Nix cannot make one here";
}
