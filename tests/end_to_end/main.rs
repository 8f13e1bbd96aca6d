//! What users are promised, on real servers, with the program as they run it. Each module tells one
//! story.

mod backfill;
mod bad_input;
mod both_ways;
mod company;
mod crash;
mod debezium;
mod decisions;
mod disk;
mod expressions;
mod gates;
mod kafka;
mod mending;
mod parked;
mod resources;
mod school;
mod shutdown;
mod tables;
mod tour;
mod trial;
mod types;
mod university;
mod upheaval;
mod verify;
mod why;
mod workers;
