import assert from "node:assert/strict";
import { test } from "node:test";
import { peerProcess } from "../../src/helper/caller.ts";

const table = `u_str LISTEN 0      511    /run/drv-thru/import-helper.sock 100             * 0     users:(("node",pid=7,fd=20))
u_str ESTAB  0      0      /run/drv-thru/import-helper.sock 101             * 102   users:(("node",pid=7,fd=21))
u_str ESTAB  0      0                                     * 102             * 101   users:(("drv-thru",pid=42,fd=19),("sh",pid=41,fd=3))
u_str ESTAB  0      0                              @other x 103             * 104
u_dgr UNCONN 0      0                                     * 105             * 0
`;

test("the process at the other end of a socket is the one that holds its peer", () => {
  assert.equal(peerProcess(table, "101"), "42");
  assert.equal(peerProcess(table, "102"), "7");
});

test("nobody is named where the table does not say who it is", () => {
  for (const inode of ["100", "103", "105", "10", "999"]) assert.equal(peerProcess(table, inode), undefined, inode);
});
