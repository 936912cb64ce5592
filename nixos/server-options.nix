# services.drv-thru.server: what a builder can be told.
{ config, lib, ... }:
let
  inherit (lib) mkOption types literalExpression;
  cfg = config.services.drv-thru.server;
in
{
  options.services.drv-thru.server = {
    enable = lib.mkEnableOption "the drv-thru builder, which builds for holders of a ticket and for trusted clients";

    dataDir = mkOption {
      type = types.str;
      default = "/var/lib/drv-thru";
      description = "Folder of the builder's keys, state and cache. It is the service's alone (mode 0700).";
    };

    secretKeyFile = mkOption {
      type = types.str;
      default = "${cfg.dataDir}/secret.key";
      defaultText = literalExpression ''"''${config.services.drv-thru.server.dataDir}/secret.key"'';
      example = "/run/secrets/drv-thru-iroh-key";
      description = ''
        The secret key of the builder's Iroh endpoint: whoever has it can pose as this builder's address.
        It is made, for its owner alone, if it is missing. It may belong to root: the service reads a copy of its own.
      '';
    };

    maxConcurrentBuilds = mkOption {
      type = types.ints.positive;
      default = 1;
      description = "How many builds run at once; the others wait in a queue that is fair between clients.";
    };

    outputCacheMaxParallelFills = mkOption {
      type = types.nullOr types.ints.positive;
      default = null;
      example = 4;
      description = "How many outputs are compressed into the cache at once. `null`: one for each core, at most 16.";
    };

    recentBuildsLimit = mkOption {
      type = types.ints.positive;
      default = 20;
      description = "How many builds that have ended `drv-thru status` shows.";
    };

    settings = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      example = {
        relay = "none";
        advertise = [ "203.0.113.7:4433" ];
      };
      description = "Further fields of `/etc/drv-thru/server.json`, as docs/cli.md lists them. They win over the other options.";
    };

    trustedClients = mkOption {
      default = { };
      description = "Clients that build here without a ticket, by the name that `drv-thru status` gives them.";
      example = literalExpression ''
        {
          alex.publicKey = "6b1f…"; # what `drv-thru key show` prints on the client
        }
      '';
      type = types.attrsOf (
        types.submodule {
          options = {
            publicKey = mkOption {
              type = types.str;
              description = "The client's id, as `drv-thru key show` prints it on the client.";
            };
            maxBuildTime = mkOption {
              type = types.str;
              default = "30m";
              description = "Longest time of one build, without its waiting in the queue: a number with `s`, `m`, `h` or `d`.";
            };
            maxUploadBytes = mkOption {
              type = types.str;
              default = "20G";
              description = "Most bytes of inputs that one build may upload: a number with `k`, `M`, `G` or `T`.";
            };
          };
        }
      );
    };
  };
}
