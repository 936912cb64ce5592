# The README's quick start between two machines, each a NixOS in a virtual machine: `nix flake check`, or `nix build .#checks.x86_64-linux.quick-start`.
# The argument is the module. Needs KVM and nixpkgs.
module:
let
  # A pair of this test alone, so that the client can be told the builder's key before there is a builder.
  secretKey = "drv-thru-test:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQGKiOPddAnxlf1S2y08ul1yymcJvx2UEhvzdIgBtA9vXA==";
  publicKey = "drv-thru-test:iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=";

  user = {
    isNormalUser = true;
    extraGroups = [ "wheel" ];
  };
  common = {
    imports = [ module ];
    # There is nothing to substitute from and no relay: the two reach each other directly.
    nix.settings.substituters = [ ];
    nix.settings.experimental-features = [
      "nix-command"
      "flakes"
    ];
    networking.firewall.enable = false;
    virtualisation.writableStore = true;
  };
in
{
  name = "drv-thru-quick-start";

  nodes.builder = {
    imports = [ common ];
    users.users.owner = user;
    services.drv-thru.server.enable = true;
    services.drv-thru.server.settings.relay = "none";
    systemd.tmpfiles.rules = [
      "d /var/lib/drv-thru 0700 drv-thru drv-thru -"
      "f /var/lib/drv-thru/signing-secret.key 0600 drv-thru drv-thru - ${secretKey}"
      "f /var/lib/drv-thru/signing-public.key 0644 drv-thru drv-thru - ${publicKey}"
    ];
  };

  nodes.client = {
    imports = [ common ];
    users.users.guest = user;
    users.users.stranger.isNormalUser = true;
    services.drv-thru.client = {
      enable = true;
      ticketHelper.trustedBuilderPublicKeys = [ publicKey ];
    };
    environment.etc."hello.nix".text = ''
      derivation {
        name = "hello";
        system = builtins.currentSystem;
        builder = "/bin/sh";
        args = [ "-c" "echo hello > $out" ];
      }
    '';
  };

  testScript = ''
    start_all()
    builder.wait_for_unit("drv-thru.service")
    builder.wait_until_succeeds("drv-thru status")
    client.wait_for_unit("drv-thru-import-helper.socket")

    with subtest("the builder prints its signing key, and keeps its secrets"):
        assert builder.succeed("cat /var/lib/drv-thru/signing-public.key").strip() == "${publicKey}"
        builder.fail("su - owner -c 'cat /var/lib/drv-thru/secret.key'")

    with subtest("a member of wheel makes a ticket"):
        ticket = builder.succeed("su - owner -c 'drv-thru ticket create'").strip()
        assert ticket.startswith("drvthru"), ticket

    with subtest("somebody whom Nix does not trust builds with it, through the import helper"):
        build = f"drv-thru build --no-link -f /etc/hello.nix --ticket {ticket}"
        path = client.succeed(f"su - guest -c '{build}'").strip()
        assert client.succeed(f"cat {path}") == "hello\n"

    with subtest("the ticket is spent, and its owner sees it"):
        assert "exhausted" in builder.succeed("su - owner -c 'drv-thru ticket list'")

    with subtest("who is in no group may not ask the import helper"):
        client.fail("su - stranger -c 'test -w /run/drv-thru/import-helper.sock'")

    with subtest("a stopped builder stays stopped, and the client's socket stays"):
        builder.succeed("systemctl stop drv-thru.service")
        builder.fail("drv-thru status")
        builder.fail("systemctl is-active drv-thru.service")
  '';
}
