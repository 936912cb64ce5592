# The machine as a client: the builders it knows, and the keys that its Nix trusts.
{ config, lib, ... }:
let
  cfg = config.services.drv-thru.client;
  inherit (lib) mkIf mkAfter mapAttrs;

  keysOf = builders: map (builder: builder.publicKey) (lib.attrValues builders);
  entryOf =
    builder:
    lib.filterAttrs (_: value: value != null && value != [ ]) {
      endpoint_id = builder.endpointId;
      endpoint_id_file = builder.endpointIdFile;
      relay_url = builder.relayUrl;
      public_key = builder.publicKey;
      inherit (builder) addresses;
    };
in
{
  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = lib.all (builder: (builder.endpointId == null) != (builder.endpointIdFile == null)) (
          lib.attrValues cfg.builders
        );
        message = "Each services.drv-thru.client.builders entry must set exactly one of endpointId or endpointIdFile.";
      }
    ];

    environment.etc."drv-thru/builders.json" = mkIf (cfg.builders != { }) {
      text = builtins.toJSON { builders = mapAttrs (_: entryOf) cfg.builders; };
    };

    environment.sessionVariables = mkIf (cfg.narFetches != null) {
      DRV_THRU_NAR_FETCHES = toString cfg.narFetches;
    };

    nix.settings.trusted-public-keys = mkAfter (
      lib.unique (keysOf cfg.trustedBuilders ++ keysOf cfg.builders)
    );
  };
}
