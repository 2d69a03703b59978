//! Links the program at a fixed address: a shim is this very program, and without relocations to apply
//! at start it shares nearly all of its pages with the manager and every other shim.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
