"""What is done now: releases, orders and upkeep, each safe on its own."""
