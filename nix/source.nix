# The named files and folders of the checkout, and nothing else: what is built of them changes with them alone.
names:
let
  root = toString ../.;
  starts = start: text: builtins.substring 0 (builtins.stringLength start) text == start;
in
builtins.path {
  name = "drv-thru-source";
  path = ../.;
  filter =
    path: _type:
    let
      here = builtins.substring (builtins.stringLength root + 1) (-1) path;
    in
    # The thing itself, what is in it, and the folders that it is in.
    builtins.any (name: here == name || starts "${name}/" here || starts "${here}/" name) names;
}
