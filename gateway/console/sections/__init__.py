"""The sections of the console, a module each: pages, and the places in the menu that lead there."""
