//! Compiles the program in `program/` as a static binary and packs it into an
//! OCI image layout. The same sources and compiler give the same bytes.

mod layout;

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=program");
    let out = PathBuf::from(variable("OUT_DIR"));
    let program = compile(&out);
    let bytes = std::fs::read(&program).expect("the compiled program is readable");
    let files = layout::pack(&bytes, architecture());
    std::fs::write(out.join("layout.rs"), generated(&files, &out)).expect("OUT_DIR is writable");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}"))
}

/// The image must run where nothing is installed: no libc, no loader.
fn compile(out: &Path) -> PathBuf {
    let program = out.join("hello");
    let target = variable("TARGET");
    let mut rustc = Command::new(variable("RUSTC"));
    rustc
        .args([
            "--edition=2024",
            "--crate-name=hello",
            "--crate-type=bin",
            "--target",
            &target,
        ])
        .args([
            "-Ctarget-feature=+crt-static",
            "-Crelocation-model=static",
            "-Cpanic=abort",
        ])
        .args([
            "-Copt-level=s",
            "-Clto=fat",
            "-Ccodegen-units=1",
            "-Cstrip=symbols",
        ])
        // Paths of the machine that builds do not belong into the image.
        .arg(format!(
            "--remap-path-prefix={}=hello",
            variable("CARGO_MANIFEST_DIR")
        ))
        .arg("-o")
        .arg(&program)
        .arg("program/main.rs");
    if let Ok(linker) = std::env::var("RUSTC_LINKER") {
        rustc.arg(format!("-Clinker={linker}"));
    }
    let status = rustc.status().expect("rustc starts");
    assert!(
        status.success(),
        "the program does not compile for {target}"
    );
    program
}

/// Go's name, as image configurations have it.
fn architecture() -> &'static str {
    match variable("CARGO_CFG_TARGET_ARCH").as_str() {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "riscv64" => "riscv64",
        "s390x" => "s390x",
        other => panic!("no image architecture is known for {other}"),
    }
}

/// `pub static FILES`, with the bytes in files of `OUT_DIR`.
fn generated(files: &[(String, Vec<u8>)], out: &Path) -> String {
    let mut code = String::from("pub(crate) static FILES: &[(&str, &[u8])] = &[\n");
    for (number, (path, bytes)) in files.iter().enumerate() {
        let file = out.join(format!("file-{number}"));
        std::fs::write(&file, bytes).expect("OUT_DIR is writable");
        code.push_str(&format!(
            "    ({path:?}, include_bytes!({:?})),\n",
            file.display().to_string()
        ));
    }
    code.push_str("];\n");
    code
}
