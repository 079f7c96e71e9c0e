"""The composition root: where concrete adapters meet the loop. Below it nobody names them."""
