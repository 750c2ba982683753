//! Races, restarts and what is on the disk.

mod alike;
mod beside;
mod bodies;
mod bounds;
mod budgets;
mod checking;
mod client;
mod corpus;
mod definitions;
mod departures;
mod doors;
mod followed;
mod furnished;
mod hostile;
mod informers;
mod killed;
mod load;
mod refusals;
mod registration;
mod rights;
mod roles;
mod state;
mod storages;
mod tables;
mod watching;
mod words;
