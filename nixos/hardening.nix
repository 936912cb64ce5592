# What the two services are shut in with. `contrib/systemd` has the same lines for other distributions; a test holds both equal.
let
  common = {
    NoNewPrivileges = true;
    CapabilityBoundingSet = "";
    AmbientCapabilities = "";
    UMask = "0077";
    KeyringMode = "private";
    LockPersonality = true;
    PrivateDevices = true;
    PrivateTmp = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    # Not MemoryDenyWriteExecute: Node compiles what it runs.
    SystemCallFilter = [
      "@system-service"
      "~@privileged @resources"
    ];
  };
in
{
  # Reaches the network, Nix's daemon and its own data folder, and nothing else.
  builder = common // {
    PrivateUsers = true;
    # Netlink tells Iroh of interfaces that come and go.
    RestrictAddressFamilies = [
      "AF_UNIX"
      "AF_INET"
      "AF_INET6"
      "AF_NETLINK"
    ];
  };

  # Is root, since that is whom Nix's daemon believes, but without any of root's capabilities, and talks to this machine alone.
  helper = common // {
    ProtectHome = true;
    RestrictAddressFamilies = [
      "AF_UNIX"
      "AF_INET"
      "AF_INET6"
    ];
    IPAddressDeny = "any";
    IPAddressAllow = "localhost";
  };
}
