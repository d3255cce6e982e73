//! Log events and spans whose fields are declared: `tracing`'s macros, but a field that `names.rs` does not declare does
//! not compile.
//!
//! `warn!(kafka.topic = topic, error = &failure as &dyn Error, "set aside")` writes each field under the name that
//! [`names::field`](crate::names::field) gives it; `%` and `?` before a value show it as `Display` and `Debug`, a bare
//! name takes the variable of that name. Clippy refuses `tracing`'s own macros (`clippy.toml`).

/// Something that failed, and nobody heals but a person.
#[macro_export]
macro_rules! error {
    ($($given:tt)+) => { $crate::declared_fields!([event ERROR] {} $($given)+) };
}

/// Something that failed and is tried again, or put aside.
#[macro_export]
macro_rules! warn {
    ($($given:tt)+) => { $crate::declared_fields!([event WARN] {} $($given)+) };
}

/// What whoever runs this wants to know.
#[macro_export]
macro_rules! info {
    ($($given:tt)+) => { $crate::declared_fields!([event INFO] {} $($given)+) };
}

/// What somebody wants to know who looks for a fault.
#[macro_export]
macro_rules! debug {
    ($($given:tt)+) => { $crate::declared_fields!([event DEBUG] {} $($given)+) };
}

/// A span that is traced: one a batch or a request, never one a record.
#[macro_export]
macro_rules! info_span {
    ($name:literal $(, $($given:tt)*)?) => { $crate::declared_fields!([span INFO $name] {} $($($given)*)?) };
}

/// Takes one field after the other and looks its name up.
#[doc(hidden)]
#[macro_export]
macro_rules! declared_fields {
    ($sink:tt {$($done:tt)*} $($name:ident).+ = %$value:expr $(, $($rest:tt)*)?) => {
        $crate::declared_fields!($sink {$($done)* { $crate::names::field::$($name)::+ } = %$value,} $($($rest)*)?)
    };
    ($sink:tt {$($done:tt)*} $($name:ident).+ = ?$value:expr $(, $($rest:tt)*)?) => {
        $crate::declared_fields!($sink {$($done)* { $crate::names::field::$($name)::+ } = ?$value,} $($($rest)*)?)
    };
    ($sink:tt {$($done:tt)*} $($name:ident).+ = $value:expr $(, $($rest:tt)*)?) => {
        $crate::declared_fields!($sink {$($done)* { $crate::names::field::$($name)::+ } = $value,} $($($rest)*)?)
    };
    ($sink:tt {$($done:tt)*} $name:ident $(, $($rest:tt)*)?) => {
        $crate::declared_fields!($sink {$($done)* { $crate::names::field::$name } = $name,} $($($rest)*)?)
    };
    ([event $level:ident] {$($done:tt)*} $message:literal $($arguments:tt)*) => {
        $crate::tracing::event!($crate::tracing::Level::$level, { $($done)* }, $message $($arguments)*)
    };
    ([span $level:ident $name:literal] {$($done:tt)*}) => {
        $crate::tracing::span!($crate::tracing::Level::$level, $name, $($done)*)
    };
}
