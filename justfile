# The commands that people type while they work on valkeeper; `just` lists them. CONTRIBUTING.md explains each.

# List the commands.
default:
    @just --list

# Run the sandbox: a cluster, a simulated provider and the operator in one process.
sandbox *arguments:
    cargo run -p valkeeper-sandbox -- {{arguments}}

# Run all tests, or those of NAME.
test *name:
    cargo test --workspace {{name}}

# Run the decisions alone, in seconds.
engine *name:
    cargo test -p valkeeper-engine {{name}}

# Run the end-to-end scenarios whose names contain NAME.
e2e *name:
    cargo test --workspace --test e2e {{name}}

# Run one fault at every call of every scenario.
faults:
    VALKEEPER_ALL=sandbox cargo test --workspace --test faults

# Explore the decisions against an abstract world.
model:
    cargo test --workspace --test model -- --nocapture

# Format, lint, and check the layout and the libraries.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    cargo xtask tidy
    cargo xtask dependencies
    cargo xtask generate --check

# Write what is generated.
generate:
    cargo xtask generate

# Accept what kubectl and Helm show now.
accept:
    UPDATE_GOLDEN=1 cargo test --workspace --test e2e phases::on_the_sandbox
    UPDATE_RENDERED=1 cargo test --workspace --test chart render

# Build the book.
book:
    .ci/book

# Check everything, as CI does.
ci:
    .ci/run
