//! The engine's settings: the same for runner and compiler, or native code is
//! refused.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result};

/// Core instances a component may consist of: its modules and the adapters
/// that join them.
const CORE_INSTANCES: u32 = 16;
const MEMORIES: u32 = 2;
const TABLES: u32 = 8;

/// Bytes of guest stack. Deeper recursion traps.
pub const GUEST_STACK: usize = 512 << 10;

/// Bytes at the start of a memory that are zeroed by hand between two calls
/// instead of being given back to the kernel and faulted in again.
const KEEP_RESIDENT: usize = 256 << 10;

/// A 32-bit guest can address no more, so that no access needs a check.
const RESERVATION: u64 = 4 << 30;
const GUARD: u64 = 32 << 20;

/// Bytes of address space the pool for `calls` takes, rounded up.
pub fn reserved(calls: u32) -> u64 {
    u64::from(calls * MEMORIES + 1) * (RESERVATION + 2 * GUARD)
}

/// What both processes must agree on. Fuel is left out: epochs cost a third
/// less. Memory accesses are not checked in code but by guard pages.
fn shared() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .signals_based_traps(true)
        .memory_reservation(RESERVATION)
        .memory_guard_size(GUARD)
        .max_wasm_stack(GUEST_STACK)
        .concurrency_support(false)
        .wasm_component_model(true)
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None);
    config
}

/// The engine of a runner that serves `calls` at once, each with at most
/// `max_memory` bytes.
pub fn for_running(calls: u32, max_memory: usize) -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(calls * CORE_INSTANCES)
        .total_memories(calls * MEMORIES)
        .total_tables(calls * TABLES)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .table_elements(20_000)
        .max_memory_size(max_memory)
        .max_unused_warm_slots(calls * MEMORIES)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10);
    let mut config = shared();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// The engine of the compiler.
#[cfg(feature = "compiler")]
pub fn for_compiling() -> Result<Engine> {
    let mut config = shared();
    config.cranelift_opt_level(wasmtime::OptLevel::Speed);
    Engine::new(&config)
}
