# drv-thru as a package: compiled sources, the npm packages they need, and a wrapper that brings Node, and Nix and nom where the user has none.
{
  lib,
  stdenv,
  autoPatchelfHook,
  callPackage,
  makeWrapper,
  nix,
  nix-output-monitor,
  nodejs_24,
  typescript,
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
    "nix/tsconfig.build.json"
    "package.json"
    "src"
    "tsconfig.build.json"
    "tsconfig.json"
  ];

  nativeBuildInputs = [
    makeWrapper
    nodejs_24
    typescript
  ]
  ++ lib.optional stdenv.hostPlatform.isLinux autoPatchelfHook;
  # The bindings among the npm packages are linked against these.
  buildInputs = lib.optional stdenv.hostPlatform.isLinux stdenv.cc.cc.lib;

  # The types were checked when this was written; packages of types are not among those that it runs with.
  buildPhase = ''
    runHook preBuild
    tsc -p nix/tsconfig.build.json
    # A compiler that left the name of a source in an import would be met by users only.
    if grep -rE '(from|import\() ?"\.[^"]*\.ts"' dist; then exit 1; fi
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    home=$out/lib/drv-thru
    mkdir -p $home $out/bin
    cp -r dist gen package.json CHANGELOG.md LICENSE-APACHE LICENSE-MIT $home/
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
