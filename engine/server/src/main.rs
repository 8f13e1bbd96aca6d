//! The binary `syncline`.

fn main() -> syncline::Exit {
    syncline::main()
}
