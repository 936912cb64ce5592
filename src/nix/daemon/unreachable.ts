import { Failure } from "../../lib/failure.ts";

const START = "systemctl start nix-daemon.socket, or as root: nix-daemon &";

/** No connection to the daemon's socket. */
export function cannotConnect(path: string, cause: unknown): Failure {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "EACCES" || code === "EPERM") {
    return failure("not-permitted", `no permission to open the Nix daemon's socket ${path}`, `ls -l ${path}`, cause);
  }
  if (code === "ECONNREFUSED") {
    return failure("unreachable", `no Nix daemon listens on its socket ${path}`, START, cause);
  }
  if (Buffer.byteLength(path) > 107) {
    const what = `the path of the Nix daemon's socket has ${Buffer.byteLength(path)} bytes, and at most 107 are possible: ${path}`;
    return failure("unreachable", what, "set NIX_DAEMON_SOCKET_PATH to a shorter path", cause);
  }
  const what = code === "ENOENT" ? "there is no Nix daemon socket" : `cannot connect to the Nix daemon (${code}):`;
  return failure("unreachable", `${what} ${path}`, START, cause);
}

/** Whether a failure says that no daemon listens there. */
export function absent(error: unknown): boolean {
  const code =
    error instanceof Failure && error.cause instanceof Error && "code" in error.cause ? error.cause.code : "";
  return code === "ENOENT" || code === "ECONNREFUSED";
}

/** The daemon hung up without a word, which is how it refuses users. */
export function notAllowed(path: string): Failure {
  const what = `the Nix daemon at ${path} hung up without a word: this user is not among its allowed-users, or it is stopping`;
  return failure("not-permitted", what, "add the user to allowed-users in the nix.conf of the daemon");
}

/** The daemon takes the connection and says nothing. */
export function noAnswer(path: string): Failure {
  return failure("unreachable", `the Nix daemon at ${path} does not answer`, "systemctl restart nix-daemon");
}

function failure(code: "unreachable" | "not-permitted", message: string, fix: string, cause?: unknown): Failure {
  return new Failure(code, "nix", message, { reason: "daemon-unreachable", fix, cause });
}
