//! Compiles `proto/` without `protoc`: nobody who builds this needs to have it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

const PROTO: &str = "../../proto";
const PACKAGE: &str = "chert/api/v1";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let root = Path::new(PROTO);
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join(PACKAGE))? {
        files.push(entry?.path());
    }
    // The same descriptors whatever the order in which the directory lists them.
    files.sort();
    let mut compiler = protox::Compiler::new([root])?;
    compiler.include_imports(true).include_source_info(true).open_files(files)?;

    // Encoded by the compiler: a generated `FileDescriptorSet` would lose our own options.
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .build_server(false)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
