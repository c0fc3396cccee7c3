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

/// Only a superuser may give files away, so only then there is something to see here; `Owner::mode_for` has
/// the rule, which a unit test covers.
#[test]
fn nobody_comes_to_run_as_the_superuser() {
    use std::os::unix::fs::{MetadataExt, chown};
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let wasm = sandbox.read("in.wasm");
    if chown(sandbox.path("in.wasm"), Some(1234), Some(1235)).is_err() {
        return;
    }
    let owner = |name: &str| {
        let metadata = fs::metadata(sandbox.path(name)).unwrap();
        (metadata.uid(), metadata.gid())
    };
    // In place the owner stays, and so may the bits.
    set_mode(sandbox.path("in.wasm"), 0o6755);
    assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", "in.wasm"]));
    assert_eq!((owner("in.wasm"), mode(sandbox.path("in.wasm"))), ((1234, 1235), 0o6755));

    // A new file, or one that was somebody else's, runs as nobody else.
    fs::write(sandbox.path("in.wasm"), wasm).unwrap();
    set_mode(sandbox.path("in.wasm"), 0o6755);
    fs::write(sandbox.path("old"), "").unwrap();
    chown(sandbox.path("old"), Some(0), Some(1235)).unwrap();
    for (out, bits) in [("new", 0o755), ("old", 0o2755)] {
        assert_done(&sandbox.run(&["instrument", "in.wasm", "-o", out]));
        assert_eq!(mode(sandbox.path(out)), bits, "{out}");
    }
    assert_eq!(owner("old"), (0, 1235));
}

#[test]
fn an_endless_input_is_refused() {
    let sandbox = Sandbox::new();
    let refused = sandbox.run(&["analyze", "/dev/zero"]);
    assert_refused(&refused, "can't read /dev/zero: it has more than 1073741824 bytes");
    let file = fs::File::create(sandbox.path("large")).unwrap();
    file.set_len((1 << 30) + 1).unwrap();
    assert_refused(&sandbox.run(&["analyze", "large"]), "can't read large: it has more than");
}

#[test]
fn a_signal_leaves_no_temporary_file() {
    // Large enough that writing it takes a while: a custom section of 127 MiB.
    let size = 127_usize << 20;
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let mut wasm = sandbox.read("in.wasm");
    wasm.extend([0, 0x80, 0x80, 0x80 | (size >> 14 & 0x7f) as u8, (size >> 21) as u8, 1, b'a']);
    wasm.resize(wasm.len() - 2 + size, 0);
    fs::write(sandbox.path("in.wasm"), wasm).unwrap();
    let temporary = || sandbox.names().into_iter().any(|name| name.starts_with(".wasm-fork-"));
    let mut ended = 0;
    for signal in ["TERM", "INT", "HUP"].into_iter().cycle().take(30) {
        let args = ["instrument", "in.wasm", "-o", "out.wasm"];
        let mut child = command(sandbox.0.path(), &args).spawn().unwrap();
        while !temporary() && child.try_wait().unwrap().is_none() {}
        let pid = child.id().to_string();
        let _ = Command::new("kill").args(["-s", signal, &pid]).output().unwrap();
        let status = child.wait_with_output().unwrap().status;
        assert!(!temporary(), "{signal}");
        // Now and then the signal comes too late.
        if !status.success() {
            use std::os::unix::process::ExitStatusExt;
            assert!([1, 2, 15].map(Some).contains(&status.signal()), "{status}");
            ended += 1;
        }
        if ended == 3 {
            return;
        }
    }
    panic!("the signal came too late {} times", 30 - ended);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    let sandbox = Sandbox::with("in.wasm", FORKS);
    let output = sandbox.run(&["instrument", "in.wasm", "-o", "/dev/full"]);
    assert_refused(&output, "can't write /dev/full");
}
