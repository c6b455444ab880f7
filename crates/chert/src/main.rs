//! `chert`: everything in one binary.

fn main() -> std::process::ExitCode {
    chert::main()
}
