"""From a recorded run to tables and pictures' numbers; knows no screen and no plotting library."""
