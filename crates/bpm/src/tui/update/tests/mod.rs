//! The rules of `update`, each told as what somebody does and sees, against a manager made of data.

mod deeds;
mod link;
mod logs;
mod manager;
mod selection;
mod world;
