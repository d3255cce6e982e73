//! foldstream-locations-projection.
