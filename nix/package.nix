# drv-thru as a package: bundled sources, the npm packages they need, and a wrapper that brings Node, and Nix and nom where the user has none.
{
  lib,
  stdenv,
  autoPatchelfHook,
  callPackage,
  esbuild,
  makeWrapper,
  nix,
  nix-output-monitor,
  nodejs_24,
  # The version, if it is another than that of package.json.
  version ? (lib.importJSON ../package.json).version,
  npmPackages ? callPackage ./npm-packages.nix { },
  # Carries the bytes. @number0/iroh, which does the same at a fraction of the rate, has no binary for every system.
  addon ? callPackage ./addon.nix { },
}:
stdenv.mkDerivation {
  pname = "drv-thru";
  inherit version;

  src = import ./source.nix [
    "CHANGELOG.md"
    "LICENSE-APACHE"
    "LICENSE-MIT"
    "gen"
    "package.json"
    "scripts/bundle.ts"
    "src"
  ];

  nativeBuildInputs = [
    esbuild
    makeWrapper
    nodejs_24
  ]
  ++ lib.optional stdenv.hostPlatform.isLinux autoPatchelfHook;
  # The bindings among the npm packages are linked against these.
  buildInputs = lib.optional stdenv.hostPlatform.isLinux stdenv.cc.cc.lib;

  # The types were checked when this was written.
  buildPhase = ''
    runHook preBuild
    ln -s ${npmPackages} node_modules
    node scripts/bundle.ts
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    home=$out/lib/drv-thru
    mkdir -p $home $out/bin
    cp -r dist package.json CHANGELOG.md LICENSE-APACHE LICENSE-MIT $home/
    cp -r ${npmPackages} $home/node_modules
    chmod -R u+w $home/node_modules
    # Bindings for another C library than Nix's.
    find $home/node_modules -name '*.musl.node' -delete
    sed -i 's/^  "version": ".*",$/  "version": "${version}",/' $home/package.json
    makeWrapper ${lib.getExe nodejs_24} $out/bin/drv-thru \
      --add-flags $home/dist/bin.js \
      --suffix PATH : ${
        lib.makeBinPath [
          nix
          nix-output-monitor
        ]
      } \
      --set-default DRV_THRU_IROH_ADDON ${addon}/lib/iroh.node
    runHook postInstall
  '';

  doInstallCheck = true;
  # A key needs the command line alone; the bindings are loaded by themselves.
  installCheckPhase = ''
    runHook preInstallCheck
    $out/bin/drv-thru --version | grep -Fx "drv-thru ${version}"
    DRV_THRU_IROH=native $out/bin/drv-thru --version
    HOME=$TMPDIR $out/bin/drv-thru key show
    (cd $out/lib/drv-thru && ${lib.getExe nodejs_24} --input-type=module --eval 'import "lmdb";')
    runHook postInstallCheck
  '';

  passthru = { inherit addon npmPackages; };

  meta = {
    description = "Nix builds on someone else's machine, by ticket";
    license = with lib.licenses; [
      mit
      asl20
    ];
    mainProgram = "drv-thru";
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
      "x86_64-darwin"
      "aarch64-darwin"
    ];
  };
}
