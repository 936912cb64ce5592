# The import helper: a socket for members of a group, and a small root service behind it that imports what allowed keys have signed.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.drv-thru;
  inherit (cfg.client) ticketHelper;
  hardening = import ./hardening.nix;

  keysOf = builders: map (builder: builder.publicKey) (lib.attrValues builders);
  allowed = lib.unique (
    keysOf cfg.client.trustedBuilders
    ++ keysOf cfg.client.builders
    ++ ticketHelper.trustedBuilderPublicKeys
  );
in
{
  config = lib.mkMerge [
    {
      assertions = [
        {
          assertion = ticketHelper.enable -> cfg.client.enable;
          message = "services.drv-thru.client.ticketHelper.enable requires services.drv-thru.client.enable.";
        }
      ];
    }
    (lib.mkIf (cfg.client.enable && ticketHelper.enable) {
      users.groups.${ticketHelper.group} = { };

      environment.etc."drv-thru/trusted-builders".text = lib.concatMapStrings (key: "${key}\n") allowed;

      systemd.sockets.drv-thru-import-helper = {
        description = "drv-thru import helper: who may ask for imports";
        wantedBy = [ "sockets.target" ];
        socketConfig = {
          ListenStream = "/run/drv-thru/import-helper.sock";
          SocketUser = "root";
          SocketGroup = ticketHelper.group;
          SocketMode = "0660";
          RemoveOnStop = true;
        };
      };

      systemd.services.drv-thru-import-helper = {
        description = "drv-thru import helper: imports what allowed builders have signed";
        requires = [ "drv-thru-import-helper.socket" ];
        after = [
          "drv-thru-import-helper.socket"
          "nix-daemon.service"
        ];
        # The second tells the log who asked.
        path = [
          pkgs.nix
          pkgs.iproute2
        ];
        restartTriggers = [ config.environment.etc."drv-thru/trusted-builders".source ];
        serviceConfig = hardening.helper // {
          ExecStart = "${cfg.package}/bin/drv-thru helper serve --socket /run/drv-thru/import-helper.sock --trusted-public-key-file /etc/drv-thru/trusted-builders";
          Restart = "on-failure";
        };
      };
    })
  ];
}
