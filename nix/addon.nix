# The native Iroh addon: a library that Node loads. Its crates are those of the lock file, each with its own hash there.
{
  lib,
  rustPlatform,
  stdenv,
}:
rustPlatform.buildRustPackage {
  pname = "drv-thru-iroh";
  version = (lib.importTOML ../native/Cargo.toml).package.version;

  src = import ./source.nix [
    "native/Cargo.lock"
    "native/Cargo.toml"
    "native/build.rs"
    "native/src"
  ];
  cargoRoot = "native";
  buildAndTestSubdir = "native";
  cargoLock.lockFile = ../native/Cargo.lock;

  # Its tests are those of the program.
  doCheck = false;

  postInstall = ''
    mv $out/lib/libdrv_thru_iroh${stdenv.hostPlatform.extensions.sharedLibrary} $out/lib/iroh.node
  '';

  meta = {
    description = "Iroh for drv-thru, with byte buffers";
    license = with lib.licenses; [
      mit
      asl20
    ];
  };
}
