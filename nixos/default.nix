# NixOS: services.drv-thru makes a machine a builder (`server`), a client of builders (`client`), or both.
# The flake exports this as nixosModules.default, with `package` set to its own; without flakes it can be imported as it is.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.services.drv-thru;
  helper = cfg.client.enable && cfg.client.ticketHelper.enable;
in
{
  imports = [
    ./server-options.nix
    ./client-options.nix
    ./server.nix
    ./client.nix
    ./import-helper.nix
  ];

  options.services.drv-thru.package = lib.mkOption {
    type = lib.types.package;
    default = pkgs.callPackage ../nix/package.nix { };
    defaultText = lib.literalExpression "inputs.drv-thru.packages.\${pkgs.stdenv.hostPlatform.system}.default";
    description = "The drv-thru that the builder, the import helper and the command line are taken from.";
  };

  config = {
    environment.systemPackages = lib.mkIf (cfg.server.enable || cfg.client.enable) [ cfg.package ];
    # Sockets of two services lie in here: it belongs to neither, so that stopping one leaves the other's. Their own modes say who may use them.
    systemd.tmpfiles.rules = lib.mkIf (cfg.server.enable || helper) [ "d /run/drv-thru 0755 root root -" ];
  };
}
