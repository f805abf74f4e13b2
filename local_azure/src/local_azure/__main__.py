"""python -m local_azure"""

from local_azure.cli import main

if __name__ == "__main__":
    main()
