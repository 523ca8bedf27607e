//! Tests of the whole: the commands and the real `docker` client against a
//! daemon of each test's own. A file per subject under `tests/`.
