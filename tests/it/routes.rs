//! Every address from outside, in the shape of the URL tree.

mod health;
