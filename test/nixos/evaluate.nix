# Evaluates the module as NixOS would, as far as it needs NixOS: real lib.evalModules, and stand-ins for the options that it sets.
{ libFolder, config }:
let
  lib = import libFolder;
  inherit (lib) mkOption types;
  any = mkOption {
    type = types.attrsOf types.anything;
    default = { };
  };
  texts = mkOption {
    type = types.listOf types.str;
    default = [ ];
  };

  fake = name: {
    type = "derivation";
    inherit name;
    outPath = "/nix/store/00000000000000000000000000000000-${name}";
  };
  pkgs = {
    nix = fake "nix";
    iproute2 = fake "iproute2";
    coreutils = fake "coreutils";
    runtimeShell = "/bin/sh";
    callPackage = _file: _arguments: fake "drv-thru";
  };

  unit = types.submodule {
    options = {
      description = mkOption { type = types.str; };
      wantedBy = texts;
      wants = texts;
      requires = texts;
      partOf = texts;
      after = texts;
      before = texts;
      reloadTriggers = mkOption {
        type = types.listOf types.unspecified;
        default = [ ];
      };
      restartTriggers = mkOption {
        type = types.listOf types.unspecified;
        default = [ ];
      };
      path = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      environment = any;
      unitConfig = any;
      serviceConfig = any;
      socketConfig = any;
    };
  };

  file = types.submodule (
    { name, config, ... }:
    {
      options = {
        text = mkOption { type = types.lines; };
        source = mkOption {
          type = types.unspecified;
          default = builtins.toFile (baseNameOf name) config.text;
        };
      };
    }
  );

  nixos = {
    options = {
      assertions = mkOption {
        type = types.listOf types.unspecified;
        default = [ ];
      };
      warnings = texts;
      environment.etc = mkOption {
        type = types.attrsOf file;
        default = { };
      };
      environment.systemPackages = mkOption {
        type = types.listOf types.package;
        default = [ ];
      };
      environment.sessionVariables = any;
      nix.settings = mkOption {
        default = { };
        type = types.submodule {
          freeformType = types.attrsOf types.anything;
          options.allowed-users = mkOption {
            type = types.listOf types.str;
            default = [ "*" ];
          };
          options.trusted-users = mkOption {
            type = types.listOf types.str;
            default = [ "root" ];
          };
          options.trusted-public-keys = texts;
        };
      };
      systemd.services = mkOption {
        type = types.attrsOf unit;
        default = { };
      };
      systemd.sockets = mkOption {
        type = types.attrsOf unit;
        default = { };
      };
      systemd.tmpfiles.rules = texts;
      networking = any;
      users.users = any;
      users.groups = any;
      virtualisation = any;
    };
    # As in NixOS, where nixpkgs' own key is always there, last by default.
    config.nix.settings.trusted-public-keys = [ "cache.nixos.org-1:stands-first" ];
  };

  evaluated = lib.evalModules {
    modules = [
      ../../nixos
      nixos
      { _module.args = { inherit pkgs; }; }
      config
    ];
  };
  made = evaluated.config;
in
{
  failed = map (one: one.message) (lib.filter (one: !one.assertion) made.assertions);
  etc = lib.mapAttrs (_: one: one.text) made.environment.etc;
  units =
    lib.mapAttrs' (name: value: lib.nameValuePair "${name}.service" value) made.systemd.services
    // lib.mapAttrs' (name: value: lib.nameValuePair "${name}.socket" value) made.systemd.sockets;
  inherit (made) warnings;
  inherit (made.environment) systemPackages sessionVariables;
  inherit (made.nix) settings;
  inherit (made.users) users groups;
  tmpfiles = made.systemd.tmpfiles.rules;
  options =
    let
      ours = lib.filter (one: lib.hasPrefix "services.drv-thru." one.name && !one.internal) (
        lib.optionAttrSetToDocList evaluated.options
      );
    in
    map (one: {
      inherit (one) name type;
      default = one.default.text or null;
      description = one.description or "";
    }) ours;
}
