//! What the output is on disk: permission bits, symbolic links, devices and pipes.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

fn mode(path: PathBuf) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: PathBuf, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn the_output_keeps_the_permission_bits_of_the_input() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    fs::write(sandbox.path("old"), "").unwrap();
    for bits in [0o750, 0o604] {
        set_mode(sandbox.path("in.wasm"), bits);
        for out in ["new", "old", "in.wasm"] {
            let input = sandbox.read("in.wasm");
            assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", out]));
            assert_eq!(mode(sandbox.path(out)), bits, "{out}");
            fs::write(sandbox.path("in.wasm"), input).unwrap();
        }
    }
}

#[test]
fn without_an_input_file_the_bits_are_those_of_the_old_output_or_the_usual_ones() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("usual"), "").unwrap();
    fs::write(sandbox.path("old"), "").unwrap();
    set_mode(sandbox.path("old"), 0o711);
    for (out, expected) in [("old", 0o711), ("new", mode(sandbox.path("usual")))] {
        assert_done(&sandbox.feed(&["instrument", "-", "-o", out], FORKS.as_bytes()));
        assert_eq!(mode(sandbox.path(out)), expected, "{out}");
    }
}

#[test]
fn a_symbolic_link_is_written_through() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    fs::create_dir(sandbox.path("there")).unwrap();
    fs::write(sandbox.path("there/old"), "").unwrap();
    symlink("there/old", sandbox.path("to-old")).unwrap();
    symlink("there/new", sandbox.path("to-new")).unwrap();
    for (link, target) in [("to-old", "there/old"), ("to-new", "there/new")] {
        assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", link]));
        assert!(fs::symlink_metadata(sandbox.path(link)).unwrap().is_symlink());
        assert!(sandbox.read(target).starts_with(b"\0asm"));
    }
}

#[test]
fn devices_and_pipes_are_written_directly() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let expected = sandbox.run(&["instrument", "in.wasm", "-o", "-"]).stdout;
    assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", "/dev/null"]));
    let piped = sandbox.run(&["instrument", "in.wasm", "-o", "/dev/stdout"]);
    assert_done(&piped);
    assert_eq!(piped.stdout, expected);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["instrument", "in.wasm", "-o", "/dev/full"]);
    assert_refused(&output, "can't write /dev/full");
}
