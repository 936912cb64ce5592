# What the two services are shut in with. `contrib/systemd` has the same lines for other distributions; a test holds both equal.
let
  common = {
    NoNewPrivileges = true;
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
    CapabilityBoundingSet = "";
    PrivateUsers = true;
    ProtectProc = "invisible";
    # Netlink tells Iroh of interfaces that come and go.
    RestrictAddressFamilies = [
      "AF_UNIX"
      "AF_INET"
      "AF_INET6"
      "AF_NETLINK"
    ];
  };

  # Is root, since that is whom Nix's daemon believes, and talks to this machine alone. Of root's capabilities it has the two with which its log can
  # tell who asked: that is found by netlink and in other processes' files. They do not let it do more than the daemon's trust does.
  helper = common // {
    CapabilityBoundingSet = "CAP_DAC_READ_SEARCH CAP_SYS_PTRACE";
    ProtectHome = true;
    RestrictAddressFamilies = [
      "AF_UNIX"
      "AF_INET"
      "AF_INET6"
      "AF_NETLINK"
    ];
    IPAddressDeny = "any";
    IPAddressAllow = "localhost";
  };
}
