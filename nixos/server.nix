# The machine as a builder: a user that Nix does not trust, the configuration, and the service with its administrators' socket.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.drv-thru;
  inherit (cfg) server;
  hardening = import ./hardening.nix;

  user = "drv-thru";
  # What the service reads when its key is kept elsewhere, maybe as root's.
  keyCopy = "/run/drv-thru-key/secret.key";
  ownKey = server.secretKeyFile == "${server.dataDir}/secret.key";

  stateName = lib.removePrefix "/var/lib/" server.dataDir;
  isState = lib.hasPrefix "/var/lib/" server.dataDir;
  isHome = lib.any (folder: lib.hasPrefix folder "${server.dataDir}/") [
    "/home/"
    "/root/"
    "/run/user/"
  ];

  settings = lib.filterAttrs (_: value: value != null) {
    data_dir = server.dataDir;
    secret_key_file = if ownKey then server.secretKeyFile else keyCopy;
    max_concurrent_builds = server.maxConcurrentBuilds;
    output_cache_max_parallel_fills = server.outputCacheMaxParallelFills;
    recent_builds_limit = server.recentBuildsLimit;
    trusted_clients = lib.mapAttrs (_: client: {
      public_key = client.publicKey;
      max_build_time = client.maxBuildTime;
      max_upload_bytes = client.maxUploadBytes;
    }) server.trustedClients;
  } // server.settings;

  # Nix's default lets everybody ask its daemon; where that was narrowed, the builder has to be named.
  allowedUsers = config.nix.settings.allowed-users;
  isPlain = path: builtins.match "/[[:alnum:]._+@:/-]+" path != null;
in
{
  config = lib.mkIf server.enable {
    assertions = [
      {
        assertion = lib.any (name: lib.elem name allowedUsers) [
          "*"
          user
          "@${user}"
        ];
        message = ''services.drv-thru.server: Nix's daemon would not answer the builder. Add it: nix.settings.allowed-users = [ "${user}" ];'';
      }
      {
        assertion = isPlain server.dataDir && isPlain server.secretKeyFile;
        message = "services.drv-thru.server: dataDir and secretKeyFile must be absolute paths of letters, digits and . _ + @ : -";
      }
    ];
    warnings =
      lib.optional
        (lib.any (name: lib.elem name config.nix.settings.trusted-users) [
          "*"
          user
          "@${user}"
        ])
        "services.drv-thru.server: nix.settings.trusted-users makes the builder a trusted user of Nix. It needs no such trust, and guests reach it: take it out.";

    users.users.${user} = {
      isSystemUser = true;
      group = user;
      description = "drv-thru builder";
    };
    users.groups.${user} = { };

    environment.etc."drv-thru/server.json".text = builtins.toJSON settings;

    systemd.sockets.drv-thru = {
      description = "drv-thru builder: its administrators";
      # The two come and go together: asking for the status of a builder that was stopped does not start it.
      partOf = [ "drv-thru.service" ];
      socketConfig = {
        ListenStream = "/run/drv-thru/builder.sock";
        SocketUser = "root";
        SocketGroup = "wheel";
        SocketMode = "0660";
        RemoveOnStop = true;
      };
    };

    systemd.services.drv-thru = {
      description = "drv-thru builder";
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      requires = [ "drv-thru.socket" ];
      after = [
        "network-online.target"
        "nix-daemon.service"
        "drv-thru.socket"
      ];
      # What a running builder does not take over.
      restartTriggers = [
        (builtins.toJSON {
          inherit (server)
            dataDir
            secretKeyFile
            outputCacheMaxParallelFills
            settings
            ;
        })
      ];
      reloadTriggers = [ config.environment.etc."drv-thru/server.json".source ];
      unitConfig.RequiresMountsFor = [
        server.dataDir
        server.secretKeyFile
      ];
      serviceConfig =
        hardening.builder
        // {
          Type = "exec";
          User = user;
          Group = user;
          ExecStart = "${cfg.package}/bin/drv-thru serve --config /etc/drv-thru/server.json";
          ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
          Restart = "on-failure";
          RestartSec = 5;
          # Builds that run may end: up to ten minutes, and what was built is fetched.
          TimeoutStopSec = "11min";
          KillMode = "mixed";
          # A folder in a home is shown to the service in an otherwise empty one.
          ProtectHome = if isHome then "tmpfs" else true;
        }
        // lib.optionalAttrs isState {
          StateDirectory = stateName;
          StateDirectoryMode = "0700";
        }
        # It may be missing (-) until ExecStartPre has made it, for which systemd makes these mounts too.
        // lib.optionalAttrs (!isState) { BindPaths = [ "-${server.dataDir}" ]; }
        // lib.optionalAttrs (!ownKey) {
          RuntimeDirectory = "drv-thru-key";
          RuntimeDirectoryMode = "0700";
        }
        // lib.optionalAttrs (!isState || !ownKey) {
          # As root and outside of the hardening: the service itself could not.
          ExecStartPre = "+${pkgs.runtimeShell} ${./prepare.sh} ${user} ${server.dataDir}${
            lib.optionalString (!ownKey) " ${server.secretKeyFile} ${keyCopy}"
          }";
        };
    };
  };
}
