//! Golden walker, scratch folders, stand-ins and a git server for the tests.
