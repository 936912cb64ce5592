# services.drv-thru.client: which builders this machine knows, and whose outputs may enter its store.
{ config, lib, ... }:
let
  inherit (lib) mkOption types literalExpression;
  cfg = config.services.drv-thru.client;

  publicKey = mkOption {
    type = types.str;
    example = "drv-thru-1a2b3c4d:…";
    description = "The key that signs this builder's outputs: the content of `signing-public.key` in its data folder.";
  };
  optionalText =
    description:
    mkOption {
      type = types.nullOr types.str;
      default = null;
      inherit description;
    };
in
{
  options.services.drv-thru.client = {
    enable = lib.mkEnableOption "building on drv-thru builders from this machine";

    narFetches = mkOption {
      type = types.nullOr types.ints.positive;
      default = null;
      example = 16;
      description = "Over how many streams outputs are fetched, for all users. `null`: what drv-thru does by itself, 1.";
    };

    builders = mkOption {
      default = { };
      description = ''
        Builders that every user of this machine can name with `drv-thru build --builder NAME`.
        Nix trusts outputs that their keys have signed.
      '';
      type = types.attrsOf (
        types.submodule {
          options = {
            endpointId = optionalText "The builder's endpoint id, as `drv-thru status` prints it there. Either this or `endpointIdFile`.";
            endpointIdFile = optionalText "A file with the endpoint id, read at each build by who builds. Either this or `endpointId`.";
            relayUrl = optionalText "The relay at which the builder is found. `null`: the default ones.";
            addresses = mkOption {
              type = types.listOf types.str;
              default = [ ];
              example = [ "192.0.2.7:4433" ];
              description = "Where the builder listens, as `IP:PORT`, for networks without discovery.";
            };
            inherit publicKey;
          };
        }
      );
    };

    trustedBuilders = mkOption {
      default = { };
      description = "Further builders whose outputs this machine's Nix takes, whoever imports them.";
      type = types.attrsOf (types.submodule { options = { inherit publicKey; }; });
    };

    ticketHelper = {
      enable = mkOption {
        type = types.bool;
        default = cfg.enable;
        defaultText = literalExpression "config.services.drv-thru.client.enable";
        description = ''
          Whether members of a group may import outputs of known builders although Nix does not trust them:
          a small root service does it for them, from builders whose keys are configured here and nobody else's.
        '';
      };

      group = mkOption {
        type = types.str;
        default = "wheel";
        description = "The group whose members may ask the import helper.";
      };

      trustedBuilderPublicKeys = mkOption {
        type = types.listOf types.str;
        default = [ ];
        example = [ "drv-thru-1a2b3c4d:…" ];
        description = ''
          Signing keys of builders from which the import helper takes outputs, besides those of `builders` and
          `trustedBuilders`. They do not become keys that Nix itself trusts.
        '';
      };
    };
  };
}
