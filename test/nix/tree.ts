import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";

/** The tree that a real Nix archived into `test/golden/nix/nar/recursive-sha256.nar`: names as their bytes in Latin-1. */
export const TREE: readonly TreeNode[] = [
  { name: ".hidden", contents: "dot\n" },
  { name: "A upper case", contents: "sorts before lower case" },
  { name: "back\\slash", contents: "" },
  { name: "empty", contents: "" },
  { name: "empty folder", folder: [] },
  { name: "folder", folder: [{ name: "inner", folder: [{ name: "deep", contents: "12345678" }] }] },
  { name: "folder.sorts by bytes", contents: "123456789" },
  { name: "line\nfeed", contents: "odd" },
  { name: "link", target: "folder/inner" },
  { name: "link to nowhere", target: "/nowhere/\xff" },
  { name: "run", contents: "#!/bin/sh\necho hello\n", executable: true },
  { name: "z\xc3\xbc", contents: "UTF-8" },
  { name: "\xff", contents: "not UTF-8" },
];

/** A file, link or folder. */
export interface TreeNode {
  readonly name: string;
  readonly contents?: string;
  readonly executable?: boolean;
  readonly target?: string;
  readonly folder?: readonly TreeNode[];
}

/** Makes the tree, its last entries first: what reads it must sort. */
export async function makeTree(path: Buffer, nodes: readonly TreeNode[] = TREE): Promise<void> {
  await mkdir(path);
  for (const { name, contents, executable, target, folder } of nodes.toReversed()) {
    const at = Buffer.concat([path, Buffer.from(`/${name}`, "latin1")]);
    if (folder) await makeTree(at, folder);
    else if (target !== undefined) await symlink(Buffer.from(target, "latin1"), at);
    else await writeFile(at, contents ?? "");
    if (executable) await chmod(at, 0o755);
  }
}
