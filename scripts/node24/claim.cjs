// Loaded into npm by scripts/setup. npm leaves out optional packages that do not fit the Node it runs on, native bindings among them; ours run on the
// Node that it is just installing, so that is the one it is told of.
const { optionalDependencies } = require("./package.json");
const [installed] = Object.values(optionalDependencies);
Object.defineProperty(process, "version", { value: `v${installed}` });
